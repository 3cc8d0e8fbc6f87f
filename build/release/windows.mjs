/**
 * Executables of Windows. Everything in one pass over the resources: the program, the version, our icon instead of
 * Node's. A second tool on the same file would rebuild its sections, and the base's certificate, void by now, has to go.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Data, NtExecutable, NtExecutableResource, Resource } from 'resedit';
import { root } from '../install.mjs';
import { FUSE } from './targets.mjs';

const RT_ICON = 3;
const RT_RCDATA = 10;
const RT_GROUP_ICON = 14;
/** Explorer takes the group with the lowest id. */
const ICON_GROUP_ID = 1;
const ENGLISH = 1033;
const UNICODE = 1200;

/** `version`: three numbers with dots. */
export function writeWindowsExecutable({ base, to, blob, version }) {
  const image = readFileSync(base);
  armFuse(image);
  const executable = NtExecutable.from(image, { ignoreCert: true });
  const resources = NtExecutableResource.from(executable);
  resources.entries = resources.entries.filter(({ type }) => type !== RT_ICON && type !== RT_GROUP_ICON);
  const bin = blob.buffer.slice(blob.byteOffset, blob.byteOffset + blob.length);
  resources.entries.push({ type: RT_RCDATA, id: 'NODE_SEA_BLOB', lang: 0, codepage: 0, bin });
  addIcon(resources.entries);
  describe(resources.entries, version);
  resources.outputResource(executable);
  writeFileSync(to, Buffer.from(executable.generate()));
}

/** Tells Node that a program is inside. */
function armFuse(image) {
  const fuse = Buffer.from(`${FUSE}:0`);
  const at = image.indexOf(fuse);
  if (at < 0 || image.indexOf(fuse, at + 1) >= 0)
    throw new Error('the base must hold exactly one unset fuse');
  image[at + fuse.length - 1] = 0x31;
}

function addIcon(entries) {
  const { icons } = Data.IconFile.from(readFileSync(join(root, 'release', 'sluice.ico')));
  const images = icons.map(({ data }) => data);
  Resource.IconGroupEntry.replaceIconsForResource(entries, ICON_GROUP_ID, ENGLISH, images);
}

function describe(entries, version) {
  const [major, minor, patch] = version.split('.').map(Number);
  const info = Resource.VersionInfo.fromEntries(entries)[0] ?? Resource.VersionInfo.createEmpty();
  for (const language of info.getAllLanguagesForStringValues()) info.removeAllStringValues(language);
  info.setFileVersion(major, minor, patch, 0, ENGLISH);
  info.setProductVersion(major, minor, patch, 0, ENGLISH);
  info.setStringValues(
    { lang: ENGLISH, codepage: UNICODE },
    {
      ProductName: 'Sluice',
      FileDescription: 'Sluice media server',
      CompanyName: 'Sluice contributors',
      LegalCopyright: 'MIT licence, Sluice contributors; contains Node.js, see THIRD-PARTY.md',
      FileVersion: version,
      ProductVersion: version,
      OriginalFilename: 'sluice.exe',
    },
  );
  info.outputToResourceEntries(entries);
}
