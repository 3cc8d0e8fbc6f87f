/** Players of RTSP sessions without sockets: what they ask, what they are told, which packets they get. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { makeTrack } from '../../src/media/track.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { RtspConversation, RtspTestServices, URL } from '../support/rtsp-conversation.ts';
import { PCMA, publishTestStream, type TestPublisher } from '../support/rtsp-streams.ts';

const TCP = ['Transport: RTP/AVP/TCP;unicast;interleaved=0-1'];
const TCP_SECOND = ['Transport: RTP/AVP/TCP;unicast;interleaved=2-3'];
const udp = (port: number) => [`Transport: RTP/AVP;unicast;client_port=${port}-${port + 1}`];

function live(services: RtspTestServices): TestPublisher {
  const publisher = publishTestStream(services.world);
  publisher.video(0, true, 3000);
  publisher.audio(0);
  publisher.video(40);
  return publisher;
}

async function playing(fields: readonly (readonly string[])[], services = new RtspTestServices()) {
  const publisher = live(services);
  const talk = new RtspConversation(services);
  assert.equal((await talk.ask('DESCRIBE')).status, 200);
  for (const [i, one] of fields.entries())
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=${i}`, one)).status, 200);
  const answer = await talk.ask('PLAY', `${URL}/`, ['Range: npt=0.000-']);
  return { services, publisher, talk, answer };
}

const sequenceOf = (packet: Buffer) => packet.readUInt16BE(2);
const timestampOf = (packet: Buffer) => packet.readUInt32BE(4);

function infosOf(text: string): { url: string; seq: number; rtptime: number }[] {
  return text.split(',').map((one) => {
    const match = /^url=(.*);seq=(\d+);rtptime=(\d+)$/.exec(one.trim());
    assert.ok(match, one);
    return { url: match[1]!, seq: Number(match[2]), rtptime: Number(match[3]) };
  });
}

describe('requests', () => {
  const cases: readonly [name: string, request: string, status: number][] = [
    ['OPTIONS of the server', 'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n', 200],
    ['a request without CSeq', `DESCRIBE ${URL} RTSP/1.0\r\n\r\n`, 400],
    ['a method that nobody knows', `EXPLODE ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 501],
    ['REDIRECT', `REDIRECT ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 405],
    ['RTSP 2.0', `OPTIONS ${URL} RTSP/2.0\r\nCSeq: 1\r\n\r\n`, 505],
    [
      'a feature that is required',
      `DESCRIBE ${URL} RTSP/1.0\r\nCSeq: 1\r\nRequire: onvif-replay\r\n\r\n`,
      551,
    ],
    ['an address without a stream', 'DESCRIBE rtsp://host/live RTSP/1.0\r\nCSeq: 1\r\n\r\n', 400],
    ['a stream that is not there', `DESCRIBE ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 404],
    ['PLAY before SETUP', `PLAY ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 455],
    ['PAUSE before SETUP', `PAUSE ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 455],
    ['RECORD before ANNOUNCE', `RECORD ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 455],
    ['TEARDOWN of nothing', `TEARDOWN ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 454],
    ['a session that is not ours', `PLAY ${URL} RTSP/1.0\r\nCSeq: 1\r\nSession: 1234\r\n\r\n`, 454],
    ['a sign of life', `GET_PARAMETER ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`, 200],
    ['a parameter', `GET_PARAMETER ${URL} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 6\r\n\r\njitter`, 451],
  ];
  for (const [name, request, status] of cases) {
    test(`${name}: ${status}, and the connection stays`, async () => {
      const talk = new RtspConversation();
      talk.raw(request);
      await talk.settle();
      assert.deepEqual(
        talk.responses.map((one) => one.status),
        [status],
      );
      assert.equal(talk.session.closed, false);
      assert.equal((await talk.ask('OPTIONS', '*')).status, 200);
      talk.assertNoFaults();
    });
  }

  test('OPTIONS tells the methods', async () => {
    const methods = (await new RtspConversation().ask('OPTIONS')).headers.get('Public');
    for (const one of [
      'DESCRIBE',
      'ANNOUNCE',
      'SETUP',
      'PLAY',
      'PAUSE',
      'RECORD',
      'TEARDOWN',
      'GET_PARAMETER',
    ])
      assert.ok(methods.split(', ').includes(one), one);
  });

  test('a refusal says why in its status line', async () => {
    const answer = await new RtspConversation().ask('DESCRIBE');
    assert.equal(answer.reason, 'Nobody publishes live/cam now.');
  });

  test('admission is asked with what the peer typed, and its refusal told', async () => {
    const services = new RtspTestServices();
    services.admitAs = () => Promise.reject(new RejectedError('denied', 'Not you.'));
    const talk = new RtspConversation(services);
    const answer = await talk.ask(
      'DESCRIBE',
      'rtsp://Host.Test:8554/live/sub%20app/cam?token=a/b&vhost=V.test',
    );
    assert.equal(answer.status, 403);
    assert.equal(answer.reason, 'Not you.');
    const { sessionId: _, ...request } = services.requests[0]!;
    assert.deepEqual(request, {
      action: 'play',
      protocol: 'rtsp',
      host: 'v.test',
      app: 'live/sub app',
      stream: 'cam',
      query: 'token=a/b&vhost=V.test',
      remote: '192.0.2.7:4711',
    });
  });
});

describe('DESCRIBE', () => {
  test('tells all tracks', async () => {
    const services = new RtspTestServices();
    live(services);
    const answer = await new RtspConversation(services).ask('DESCRIBE', URL, ['Accept: application/sdp']);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('Content-Base'), `${URL}/`);
    assert.equal(answer.headers.get('Content-Type'), 'application/sdp');
    const text = Buffer.from(answer.body).toString();
    assert.match(
      text,
      /^v=0\r\no=- \d+ 1 IN IP4 192\.0\.2\.1\r\ns=live\/cam\r\nc=IN IP4 0\.0\.0\.0\r\nt=0 0\r\n/,
    );
    assert.match(text, /a=tool:Sluice 0\.0\.0\r\na=control:\*\r\na=range:npt=now-\r\n/);
    assert.match(
      text,
      /m=video 0 RTP\/AVP 96\r\na=rtpmap:96 H264\/90000\r\na=fmtp:96 .*sprop-parameter-sets=/,
    );
    assert.match(text, /a=control:trackID=0\r\nm=audio 0 RTP\/AVP 8\r\na=rtpmap:8 PCMA\/8000(\/1)?\r\n/);
    assert.match(text, /a=control:trackID=1\r\n$/);
  });

  test('waits for a publisher as long as the policy says', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = { ...services.streamPolicy, waitMs: 5000 };
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.pass(2);
    assert.equal(talk.responses.length, 0);
    live(services);
    await talk.settle();
    assert.equal(talk.responses[0]?.status, 200);
  });

  test('refuses when the wait is over', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = { ...services.streamPolicy, waitMs: 3000 };
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.pass(4);
    assert.equal(talk.responses[0]?.status, 404);
    assert.equal(services.hub.streams().length, 0);
  });

  test('looks for a second track for a second', async () => {
    const services = new RtspTestServices();
    const publisher = publishTestStream(services.world, services.hub, 'cam', { video: true, audio: false });
    publisher.video(0, true);
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.settle();
    assert.equal(talk.responses.length, 0);
    await talk.pass(2);
    assert.equal(talk.responses[0]?.status, 200);
    assert.equal((await talk.ask('DESCRIBE')).status, 200, 'the second time at once');
  });

  test('starts a source on demand, which stops when nobody plays', async () => {
    const services = new RtspTestServices();
    let running: TestPublisher | null = null;
    services.hub.registerOnDemand(makeStreamKey('live', 'cam'), {
      description: 'a test',
      start: () => {
        services.after(500, () => {
          running = live(services);
        });
      },
      stop: () => running?.publication.end('nobody wants it'),
    });
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.settle();
    assert.equal(talk.responses.length, 0);
    await talk.pass(1);
    assert.equal(talk.responses[0]?.status, 200);
    assert.ok(running);
    await talk.pass(12);
    assert.equal(services.hub.find('live/cam'), undefined);
  });

  test('a publisher that tells no track is not waited for without end', async () => {
    const services = new RtspTestServices();
    publishTestStream(services.world, services.hub, 'cam', { video: false, audio: false });
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.pass(12);
    assert.equal(talk.responses[0]?.status, 404);
  });

  test('who left while waiting holds nothing', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = { ...services.streamPolicy, waitMs: 5000 };
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.settle();
    talk.session.finish('the peer ended the connection');
    await talk.settle();
    talk.assertClosed();
    assert.equal(services.hub.streams().length, 0);
    assert.equal(talk.responses.length, 0);
  });
});

describe('over TCP', () => {
  test('the answer to PLAY comes first and tells the first packets', async () => {
    const { talk, answer, publisher } = await playing([TCP, TCP_SECOND]);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('Range'), 'npt=0.000-');
    assert.match(answer.headers.get('Session'), /^[0-9a-z]{16}$/);
    assert.equal(talk.order.slice(0, 4).join(), 'response,response,response,response');
    const infos = infosOf(answer.headers.get('RTP-Info'));
    assert.deepEqual(
      infos.map(({ url }) => url),
      [`${URL}/trackID=0`, `${URL}/trackID=1`],
    );
    const video = talk.on(0);
    const audio = talk.on(2);
    assert.equal(infos[0]!.seq, sequenceOf(video[0]!));
    assert.equal(infos[0]!.rtptime, timestampOf(video[0]!));
    assert.equal(infos[1]!.seq, sequenceOf(audio[0]!));
    assert.ok(talk.on(1).length > 0 && talk.on(3).length > 0, 'sender reports');
    const before = video.length;
    publisher.video(80);
    publisher.audio(20);
    await talk.settle();
    assert.equal(talk.on(0).length, before + 1);
    const numbers = talk.on(0).map(sequenceOf);
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => (numbers[0]! + i) & 0xffff),
    );
    talk.assertNoFaults();
  });

  test('usual channels get the shared bytes themselves', async () => {
    const { talk, publisher, services } = await playing([TCP, TCP_SECOND]);
    const written: Uint8Array[] = [];
    const write = talk.write.bind(talk);
    talk.write = (bytes) => {
      written.push(bytes);
      write(bytes);
    };
    publisher.video(120, false, 500);
    await talk.settle();
    const [feed] = [...services.hub.find('live/cam')!.feeds.values()];
    const chunk = feed!.chunks.at(feed!.chunks.head - 1);
    assert.equal(written.length, 1);
    assert.equal(written[0]!.buffer, chunk.slab.buffer);
  });

  test('other channels get a copy with theirs', async () => {
    const fields = [
      ['Transport: RTP/AVP/TCP;unicast;interleaved=10-11'],
      ['Transport: RTP/AVP/TCP;unicast;interleaved=4-5'],
    ];
    const { talk } = await playing(fields);
    const channels = new Set(talk.packets.map(({ channel }) => channel));
    assert.deepEqual(
      [...channels].sort((a, b) => a - b),
      [4, 5, 10, 11],
    );
  });

  test('a track that was not set up is not sent', async () => {
    const services = new RtspTestServices();
    const publisher = live(services);
    const talk = new RtspConversation(services);
    await talk.ask('DESCRIBE');
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=1`, TCP)).status, 200);
    const answer = await talk.ask('PLAY');
    assert.equal(infosOf(answer.headers.get('RTP-Info')).length, 1);
    publisher.audio(20);
    publisher.video(80);
    await talk.settle();
    assert.ok(talk.on(0).length >= 2);
    assert.ok(talk.on(0).every((packet) => (packet[1]! & 0x7f) === 8));
    assert.deepEqual([...new Set(talk.packets.map(({ channel }) => channel))].sort(), [0, 1]);
  });

  test('taken channels are replaced by free ones', async () => {
    const { talk } = await playing([TCP, TCP]);
    const texts = talk.responses.map((one) => one.headers.get('Transport')).filter((text) => text !== '');
    assert.match(texts[0]!, /interleaved=0-1;mode="PLAY"/);
    assert.match(texts[1]!, /interleaved=2-3;mode="PLAY"/);
  });

  test('PAUSE stops and PLAY goes on at a key frame', async () => {
    const { talk, publisher } = await playing([TCP, TCP_SECOND]);
    assert.equal((await talk.ask('PAUSE')).status, 200);
    const before = talk.packets.length;
    publisher.video(80);
    publisher.video(120, true);
    await talk.settle();
    assert.equal(talk.packets.length, before);
    const answer = await talk.ask('PLAY');
    assert.equal(answer.status, 200);
    const [first] = talk.packets.slice(before).filter(({ channel }) => channel === 0);
    assert.equal(infosOf(answer.headers.get('RTP-Info'))[0]!.seq, sequenceOf(first!.payload));
    publisher.video(160);
    await talk.settle();
    assert.ok(talk.packets.length > before);
  });

  test('a second PLAY is a sign of life', async () => {
    const { talk } = await playing([TCP, TCP_SECOND]);
    const before = talk.packets.length;
    assert.equal((await talk.ask('PLAY')).status, 200);
    assert.equal(talk.packets.length, before);
  });

  test('before the first key frame nothing is promised', async () => {
    const services = new RtspTestServices();
    const publisher = publishTestStream(services.world);
    publisher.audio(0);
    const talk = new RtspConversation(services);
    talk.raw(talk.text('DESCRIBE', URL));
    await talk.settle();
    await talk.pass(2);
    await talk.ask('SETUP', `${URL}/trackID=0`, TCP);
    await talk.ask('SETUP', `${URL}/trackID=1`, TCP_SECOND);
    const answer = await talk.ask('PLAY');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('RTP-Info'), '');
    publisher.video(40, true);
    await talk.settle();
    assert.ok(talk.on(0).length > 0);
  });

  test('a player that takes nothing is not written to', async () => {
    const { talk, publisher } = await playing([TCP, TCP_SECOND]);
    talk.taking = false;
    const before = talk.bytesOut;
    publisher.video(80);
    await talk.settle();
    assert.equal(talk.bytesOut, before);
    talk.session.finish('the test is over');
  });

  test('the end of the stream ends the session, with a goodbye', async () => {
    const { talk, publisher, services } = await playing([TCP, TCP_SECOND]);
    publisher.publication.end('done');
    await talk.pass(11);
    talk.assertClosed();
    assert.equal(talk.closes, 1);
    const last = talk.on(1).at(-1)!;
    assert.equal(last[last.length - 8 + 1], 203, 'BYE');
    services.assertFree('live', 'cam');
  });

  test('TEARDOWN is answered and ends it', async () => {
    const { talk } = await playing([TCP, TCP_SECOND]);
    assert.equal((await talk.ask('TEARDOWN')).status, 200);
    talk.assertClosed();
  });

  test('a silent player over TCP stays: its connection is the sign of life', async () => {
    const { talk } = await playing([TCP, TCP_SECOND]);
    await talk.pass(100);
    assert.equal(talk.session.closed, false);
  });
});

describe('SETUP is refused', () => {
  const cases: readonly [name: string, url: string, fields: readonly string[], status: number][] = [
    ['for the whole of several tracks', URL, TCP, 459],
    ['for a track that is not there', `${URL}/trackID=7`, TCP, 404],
    ['without a transport', `${URL}/trackID=0`, [], 461],
    ['for SRTP without keys', `${URL}/trackID=0`, ['Transport: RTP/SAVP/TCP;unicast;interleaved=0-1'], 461],
    ['for multicast that is not offered', `${URL}/trackID=0`, ['Transport: RTP/AVP;multicast'], 461],
    ['for UDP without ports', `${URL}/trackID=0`, ['Transport: RTP/AVP;unicast'], 461],
    ['for another stream', 'rtsp://host.test:8554/live/other/trackID=0', TCP, 459],
  ];
  for (const [name, url, fields, status] of cases) {
    test(`${name}: ${status}`, async () => {
      const services = new RtspTestServices();
      live(services);
      const talk = new RtspConversation(services);
      await talk.ask('DESCRIBE');
      assert.equal((await talk.ask('SETUP', url, fields)).status, status);
      assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, TCP)).status, 200, 'another try');
    });
  }

  test('where two tracks would go different ways', async () => {
    const services = new RtspTestServices();
    live(services);
    const talk = new RtspConversation(services);
    await talk.ask('DESCRIBE');
    await talk.ask('SETUP', `${URL}/trackID=0`, TCP);
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=1`, udp(5000))).status, 461);
  });

  test('for UDP where it is off, or by TLS', async () => {
    for (const secure of [false, true]) {
      const services = new RtspTestServices();
      services.hasUdp = secure;
      live(services);
      const talk = new RtspConversation(services, { secure });
      await talk.ask('DESCRIBE');
      assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, udp(5000))).status, 461);
      const both = [`${udp(5000)[0]},RTP/AVP/TCP;unicast`];
      const answer = await talk.ask('SETUP', `${URL}/trackID=0`, both);
      assert.match(answer.headers.get('Transport'), /^RTP\/AVP\/TCP;unicast;interleaved=0-1/);
    }
  });

  test('when there are no ports: 453', async () => {
    const services = new RtspTestServices();
    services.ports.left = 0;
    live(services);
    const talk = new RtspConversation(services);
    await talk.ask('DESCRIBE');
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, udp(5000))).status, 453);
  });
});

test('SETUP without DESCRIBE works', async () => {
  const services = new RtspTestServices();
  live(services);
  const talk = new RtspConversation(services);
  assert.equal((await talk.ask('SETUP', `${URL}?a=b/trackID=0`, TCP)).status, 200);
  assert.equal((await talk.ask('PLAY')).status, 200);
  assert.ok(talk.on(0).length > 0);
});

describe('over UDP', () => {
  test('every packet is a datagram to the ports of the player', async () => {
    const { services, talk, answer, publisher } = await playing([udp(5000), udp(5002)]);
    assert.equal(answer.status, 200);
    assert.match(
      talk.responses[1]!.headers.get('Transport'),
      /^RTP\/AVP;unicast;client_port=5000-5001;server_port=30000-30001;mode="PLAY"$/,
    );
    const [video, audio] = services.ports.pairs;
    assert.deepEqual(
      [video!.peer?.address, video!.peer?.rtpPort, video!.peer?.rtcpPort],
      ['192.0.2.7', 5000, 5001],
    );
    assert.equal(audio!.peer?.rtpPort, 5002);
    publisher.video(80);
    await talk.settle();
    assert.equal(talk.packets.length, 0);
    assert.ok(video!.rtp.length >= 5 && audio!.rtp.length === 1);
    assert.ok(video!.rtcp.length > 0 && audio!.rtcp.length > 0);
    const infos = infosOf(answer.headers.get('RTP-Info'));
    assert.equal(infos[0]!.seq, sequenceOf(video!.rtp[0]!));
    assert.equal(talk.session.bytesOut() > 3000, true);
  });

  test('a silent player is closed after a minute', async () => {
    const { talk, services } = await playing([udp(5000), udp(5002)]);
    await talk.pass(59);
    assert.equal(talk.session.closed, false);
    await talk.pass(3);
    talk.assertClosed();
    assert.equal(services.logged('rtsp.timeout').length, 1);
  });

  for (const [name, sign] of [
    ['a request', (talk: RtspConversation) => talk.raw(talk.text('GET_PARAMETER', URL))],
    [
      'RTCP',
      (talk: RtspConversation) =>
        talk.services.ports.pairs[0]!.peer!.onDatagram(Buffer.of(0x80, 201, 0, 1, 0, 0, 0, 0), true),
    ],
  ] as const) {
    test(`${name} keeps it`, async () => {
      const { talk } = await playing([udp(5000), udp(5002)]);
      await talk.pass(40);
      sign(talk);
      await talk.pass(40);
      assert.equal(talk.session.closed, false);
    });
  }

  test('a socket that takes nothing holds the player back', async () => {
    const { talk, services, publisher } = await playing([udp(5000), udp(5002)]);
    const [video, audio] = services.ports.pairs;
    const before = video!.rtp.length;
    audio!.taking = false;
    publisher.video(80);
    await talk.settle();
    assert.equal(video!.rtp.length, before);
    talk.session.finish('the test is over');
  });

  test('a peer that leaves while ports are opened leaves none behind', async () => {
    const services = new RtspTestServices();
    live(services);
    const talk = new RtspConversation(services);
    await talk.ask('DESCRIBE');
    talk.raw(talk.text('SETUP', `${URL}/trackID=0`, udp(5000)));
    talk.session.finish('gone');
    await talk.settle();
    talk.assertClosed();
  });
});

describe('multicast', () => {
  const fields = ['Transport: RTP/AVP;multicast'];

  test('players share one sender', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = {
      ...services.streamPolicy,
      multicast: { ...services.streamPolicy.multicast, enable: true },
    };
    const { talk, publisher } = await playing([fields, fields], services);
    assert.match(
      talk.responses[1]!.headers.get('Transport'),
      /^RTP\/AVP;multicast;destination=239\.255\.42\.1;port=30000-30001;ttl=16;mode="PLAY"$/,
    );
    const other = new RtspConversation(services);
    await other.ask('DESCRIBE');
    const answer = await other.ask('SETUP', `${URL}/trackID=0`, fields);
    assert.match(answer.headers.get('Transport'), /destination=239\.255\.42\.1;port=30000-30001/);
    assert.equal((await other.ask('PLAY')).status, 200);
    assert.equal(services.ports.pairs.length, 2);
    assert.equal(services.hub.find('live/cam')!.playerCount, 1);
    const [video] = services.ports.pairs;
    const before = video!.rtp.length;
    assert.ok(before > 0);
    publisher.video(80);
    await talk.settle();
    assert.equal(video!.rtp.length, before + 1);
    assert.equal(other.session.bytesOut(), 0, 'what is sent once is counted once');
    await talk.ask('TEARDOWN');
    assert.equal(services.multicast.count, 1);
    assert.equal(video!.closed, false);
    await other.ask('TEARDOWN');
    other.assertClosed();
    talk.assertClosed();
    assert.equal(services.hub.find('live/cam')!.playerCount, 0);
  });

  test('the end of the stream ends all of them', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = {
      ...services.streamPolicy,
      multicast: { ...services.streamPolicy.multicast, enable: true },
    };
    const { talk, publisher } = await playing([fields, fields], services);
    publisher.publication.end('done');
    await talk.pass(11);
    talk.assertClosed();
  });

  test('a range that is used up refuses the next stream', async () => {
    const services = new RtspTestServices();
    services.streamPolicy = {
      ...services.streamPolicy,
      multicast: { enable: true, range: '239.1.1.1/32', ttl: 1, interface: '' },
    };
    await playing([fields], services);
    const second = publishTestStream(services.world, services.hub, 'second');
    second.video(0, true);
    second.audio(0);
    const talk = new RtspConversation(services);
    const answer = await talk.ask('SETUP', 'rtsp://host/live/second/trackID=0', fields);
    assert.equal(answer.status, 453);
  });
});

describe('logins', () => {
  const policy = (basic: boolean) => {
    const services = new RtspTestServices();
    services.streamPolicy = {
      ...services.streamPolicy,
      playLogin: { user: 'eve', password: 'pa:ss"word', basic },
    };
    live(services);
    return services;
  };
  const hash = (algorithm: string, text: string) => createHash(algorithm).update(text).digest('hex');

  function digest(challenge: string, method: string, uri: string, password: string): string {
    const nonce = /nonce="([^"]+)"/.exec(challenge)![1]!;
    const isSha = challenge.includes('SHA-256');
    const algorithm = isSha ? 'sha256' : 'md5';
    const secret = hash(algorithm, `eve:Sluice:${password}`);
    const response = hash(algorithm, `${secret}:${nonce}:${hash(algorithm, `${method}:${uri}`)}`);
    const tail = isSha ? ', algorithm=SHA-256' : '';
    return `Authorization: Digest username="eve", realm="Sluice", nonce="${nonce}", uri="${uri}", response="${response}"${tail}`;
  }

  test('OPTIONS is answered to everybody, the rest is not', async () => {
    const talk = new RtspConversation(policy(true));
    assert.equal((await talk.ask('OPTIONS')).status, 200);
    const answer = await talk.ask('DESCRIBE');
    assert.equal(answer.status, 401);
    const challenges = answer.headers.all('WWW-Authenticate');
    assert.match(challenges[0]!, /^Basic realm="Sluice"$/);
    assert.match(challenges[1]!, /^Digest realm="Sluice", nonce="[0-9a-f]{32}", algorithm=SHA-256$/);
    assert.match(challenges[2]!, /^Digest realm="Sluice", nonce="[0-9a-f]{32}"$/);
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, TCP)).status, 401);
  });

  test('Basic where it is offered', async () => {
    const line = `Authorization: Basic ${Buffer.from('eve:pa:ss"word').toString('base64')}`;
    const talk = new RtspConversation(policy(true));
    assert.equal((await talk.ask('DESCRIBE', URL, [line])).status, 200);
    assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, TCP)).status, 200, 'asked once');
    const other = new RtspConversation(policy(false));
    assert.equal((await other.ask('DESCRIBE', URL, [line])).status, 401);
  });

  for (const index of [0, 1]) {
    test(`Digest with ${index === 0 ? 'SHA-256' : 'MD5'}`, async () => {
      const services = policy(false);
      const talk = new RtspConversation(services);
      const challenge = (await talk.ask('DESCRIBE')).headers.all('WWW-Authenticate')[index]!;
      assert.equal(
        (await talk.ask('DESCRIBE', URL, [digest(challenge, 'DESCRIBE', URL, 'wrong')])).status,
        401,
      );
      assert.equal(services.logged('rtsp.wrong-login').length, 1);
      const answer = await talk.ask('DESCRIBE', URL, [digest(challenge, 'DESCRIBE', URL, 'pa:ss"word')]);
      assert.equal(answer.status, 200);
    });
  }

  test('a nonce of another connection, or an old one, is stale', async () => {
    const services = policy(false);
    const first = new RtspConversation(services);
    const challenge = (await first.ask('DESCRIBE')).headers.all('WWW-Authenticate')[1]!;
    const line = digest(challenge, 'DESCRIBE', URL, 'pa:ss"word');
    const second = new RtspConversation(services);
    const answer = await second.ask('DESCRIBE', URL, [line]);
    assert.equal(answer.status, 401);
    const fresh = answer.headers.all('WWW-Authenticate')[1]!;
    assert.match(fresh, /stale=true/);
    const again = digest(fresh, 'DESCRIBE', URL, 'pa:ss"word');
    assert.equal((await second.ask('DESCRIBE', URL, [again])).status, 200);
    services.world.advanceMs(301_000);
    first.raw(first.text('OPTIONS', '*'));
    assert.match(
      (await first.ask('DESCRIBE', URL, [line])).headers.all('WWW-Authenticate')[1]!,
      /stale=true/,
    );
  });

  test('who guesses is cut off', async () => {
    const services = policy(true);
    const talk = new RtspConversation(services);
    const line = `Authorization: Basic ${Buffer.from('eve:guess').toString('base64')}`;
    for (let i = 0; i < 8; i++) assert.equal((await talk.ask('DESCRIBE', URL, [line])).status, 401);
    talk.raw(talk.text('DESCRIBE', URL, [line]));
    await talk.settle();
    talk.assertClosed();
    assert.equal(services.logged('rtsp.guessing').length, 1);
  });
});

test('other codecs under the same tracks end a player, which must ask again', async () => {
  const { talk, services, publisher } = await playing([TCP, TCP_SECOND]);
  publisher.publication.end('changes its settings');
  const next = publishTestStream(services.world, services.hub, 'cam', { video: false, audio: true });
  const before = talk.packets.length;
  next.audio(0);
  await talk.pass(1);
  assert.equal(talk.packets.length, before, 'sound is not sent as pictures');
  await talk.pass(2);
  talk.assertClosed();
  assert.match(talk.session.closeReason, /tracks of live\/cam are others/);
});

test('a publisher that comes back with its tracks in another order does not end players', async () => {
  const { talk, publisher } = await playing([TCP, TCP_SECOND]);
  publisher.publication.end('restarts');
  const { services } = talk;
  const next = publishTestStream(services.world, services.hub, 'cam', { video: true, audio: false });
  const before = talk.on(0).length;
  next.video(0, true);
  await talk.pass(1);
  assert.ok(talk.on(0).length > before);
  next.publication.setTrack(makeTrack(1, PCMA));
  next.audio(20);
  await talk.pass(3);
  assert.equal(talk.session.closed, false);
  assert.ok(talk.on(2).length > 1);
});

test('a track that comes later is not sent on channels that nobody knows', async () => {
  const services = new RtspTestServices();
  const publisher = publishTestStream(services.world, services.hub, 'cam', { video: true, audio: false });
  publisher.video(0, true);
  const talk = new RtspConversation(services);
  talk.raw(talk.text('DESCRIBE', URL));
  await talk.settle();
  await talk.pass(2);
  await talk.ask('SETUP', `${URL}/trackID=0`, TCP);
  await talk.ask('PLAY');
  const before = talk.on(0).length;
  publisher.publication.setTrack(makeTrack(1, PCMA));
  publisher.audio(40);
  publisher.video(40);
  await talk.pass(3);
  assert.equal(talk.session.closed, false);
  assert.ok(talk.on(0).length > before);
  assert.deepEqual([...new Set(talk.packets.map(({ channel }) => channel))].sort(), [0, 1]);
});
