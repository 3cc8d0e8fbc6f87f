/** `<vod>` of config.xml: files that are played on demand. */
import { section, size, text, toggle } from '../../config/setting.ts';

export const vodSection = section({
  name: 'vod',
  text: 'Video on demand: files in a folder, played at /vod/FILE, /vod/FILE.m3u8 and rtmp://host/vod/FILE.',
  fields: {
    enable: toggle(true, { text: 'Whether files are served at all.', reload: 'live' }),
    dir: text(
      'vod',
      {
        pattern: /^[^\0]+$/,
        phrase: 'is not the name of a folder',
        range: 'a folder, relative to the one of the executable',
      },
      {
        text: 'Folder of the files, with any folders inside. It is made when it is missing.',
        reload: 'restart',
      },
    ),
    upload: toggle(false, {
      text: 'Whether everybody who reaches this server may add files (POST /vod/FOLDER, multipart/form-data).',
      reload: 'live',
    }),
    maxUpload: size(
      '4G',
      { min: '64K', max: '1024G' },
      { text: 'Largest file that is taken by upload.', reload: 'live' },
    ),
  },
});
