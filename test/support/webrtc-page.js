/** Runs in the page of webrtc-browser.ts: connections by WHIP and WHEP with the browser's own WebRTC, by name. */
(() => {
  const connections = new Map();
  const KEPT = [
    'packetsReceived',
    'packetsLost',
    'framesDecoded',
    'framesDropped',
    'keyFramesDecoded',
    'freezeCount',
    'pliCount',
    'firCount',
    'nackCount',
    'jitter',
    'frameWidth',
    'frameHeight',
    'packetsSent',
    'bytesSent',
    'framesEncoded',
    'keyFramesEncoded',
    'totalSamplesReceived',
    'concealedSamples',
    'retransmittedPacketsSent',
    'retransmittedPacketsReceived',
    'totalAudioEnergy',
    'decoderImplementation',
  ];

  function prefer(transceiver, codec, isSender) {
    const { codecs } = (isSender ? RTCRtpSender : RTCRtpReceiver).getCapabilities('video');
    const wanted = codecs.filter((one) => one.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`);
    if (wanted.length === 0) throw new Error(`this browser has no ${codec}`);
    transceiver.setCodecPreferences([...wanted, ...codecs.filter((one) => /rtx/i.test(one.mimeType))]);
  }

  async function exchange(connection, url, { token, only, trickle, timeoutMs = 10_000 }) {
    const { peer } = connection;
    await peer.setLocalDescription();
    if (trickle !== true && peer.iceGatheringState !== 'complete')
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, 3000);
        peer.onicegatheringstatechange = () => {
          if (peer.iceGatheringState !== 'complete') return;
          clearTimeout(timer);
          resolve();
        };
      });
    const headers = { 'Content-Type': 'application/sdp' };
    if (token !== undefined) headers.Authorization = `Bearer ${token}`;
    const response = await fetch(url, { method: 'POST', headers, body: peer.localDescription.sdp });
    const body = await response.text();
    const location = response.headers.get('location');
    connection.resource = location === null ? '' : new URL(location, url).href;
    const result = {
      status: response.status,
      body,
      offer: peer.localDescription.sdp,
      location,
      etag: response.headers.get('etag'),
      link: response.headers.get('link'),
      notes: response.headers.get('x-sluice-notes'),
    };
    if (response.status !== 201) return result;
    const isOther = (line) => only !== undefined && /^a=candidate:/.test(line) && !line.includes(` ${only} `);
    const sdp = body
      .split('\r\n')
      .filter((line) => !isOther(line))
      .join('\r\n');
    await peer.setRemoteDescription({ type: 'answer', sdp });
    await connection.beforeMedia?.();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      const look = () => {
        if (peer.connectionState !== 'connected' && peer.connectionState !== 'failed') return;
        clearTimeout(timer);
        resolve();
      };
      peer.onconnectionstatechange = look;
      look();
    });
    return { ...result, state: peer.connectionState };
  }

  function open(name) {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    const video = document.createElement('video');
    video.autoplay = true;
    video.muted = true;
    video.playsInline = true;
    document.body.append(video);
    const connection = { peer, video, stream: new MediaStream(), resource: '', analyser: null };
    connections.set(name, connection);
    return connection;
  }

  globalThis.webrtc = {
    async publish(name, url, options) {
      const connection = open(name);
      const { peer, video } = connection;
      const size = { width: options.width ?? 640, height: options.height ?? 360 };
      const source = await navigator.mediaDevices.getUserMedia({
        video: options.video !== false && size,
        // What a browser does to a voice would take a steady tone away.
        audio: options.audio !== false && {
          echoCancellation: false,
          noiseSuppression: false,
          autoGainControl: false,
        },
      });
      connection.stream = source;
      video.srcObject = source;
      const layers = [
        { rid: 'q', scaleResolutionDownBy: 4 },
        { rid: 'h', scaleResolutionDownBy: 2 },
        { rid: 'f' },
      ];
      // `active` of the encodings that the transceiver is made with does not outlast the answer.
      if (options.largest === false)
        connection.beforeMedia = () => globalThis.webrtc.setActive(name, 'f', false);
      for (const track of source.getTracks()) {
        const isLayered = options.simulcast === true && track.kind === 'video';
        const transceiver = peer.addTransceiver(track, {
          direction: 'sendonly',
          streams: [source],
          ...(isLayered ? { sendEncodings: layers } : {}),
        });
        if (track.kind === 'video' && options.codec !== undefined) prefer(transceiver, options.codec, true);
      }
      return await exchange(connection, url, options);
    },

    async play(name, url, options) {
      const connection = open(name);
      const { peer, video, stream } = connection;
      video.srcObject = stream;
      peer.ontrack = ({ track }) => stream.addTrack(track);
      if (options.video !== false) {
        const transceiver = peer.addTransceiver('video', { direction: 'recvonly' });
        if (options.codec !== undefined) prefer(transceiver, options.codec, false);
      }
      if (options.audio !== false) peer.addTransceiver('audio', { direction: 'recvonly' });
      const result = await exchange(connection, url, options);
      if (options.audio !== false && result.status === 201) {
        const context = new AudioContext();
        connection.context = context;
        connection.analyser = context.createAnalyser();
        connection.analyser.fftSize = 16_384;
        connection.analyser.smoothingTimeConstant = 0;
        context.createMediaStreamSource(stream).connect(connection.analyser);
      }
      return result;
    },

    /** `{ video, audio }` of what is received or sent, the connection's state, and the size of the picture. */
    async stats(name) {
      const { peer, video } = connections.get(name);
      const all = [...(await peer.getStats()).values()];
      const codecs = new Map(all.filter(({ type }) => type === 'codec').map((one) => [one.id, one.mimeType]));
      const result = {
        state: peer.connectionState,
        width: video.videoWidth,
        time: video.currentTime,
        sent: [],
      };
      for (const one of all) {
        if (one.type === 'transport') {
          result.dtls = one.tlsVersion;
          result.srtp = one.srtpCipher;
        }
        if (one.type === 'candidate-pair' && one.nominated && one.state === 'succeeded') {
          result.available = one.availableOutgoingBitrate;
          result.transport = all.find(({ id }) => id === one.localCandidateId)?.protocol;
        }
        if (one.type !== 'inbound-rtp' && one.type !== 'outbound-rtp' && one.type !== 'remote-inbound-rtp')
          continue;
        const kept = { codec: codecs.get(one.codecId), rid: one.rid };
        for (const key of KEPT) if (one[key] !== undefined) kept[key] = one[key];
        if (one.type === 'inbound-rtp') result[one.kind] = kept;
        else if (one.type === 'outbound-rtp') result.sent.push({ kind: one.kind, ...kept });
        else result[`reported-${one.kind}`] = { loss: one.fractionLost, roundTripTime: one.roundTripTime };
      }
      return result;
    },

    /** The strongest frequency of the sound that is heard now, Hz, and its level, dB. */
    tone(name) {
      const { analyser, context } = connections.get(name);
      const values = new Float32Array(analyser.frequencyBinCount);
      analyser.getFloatFrequencyData(values);
      let best = 1;
      for (let i = 2; i < values.length; i++) if (values[i] > values[best]) best = i;
      return { frequency: (best * context.sampleRate) / analyser.fftSize, level: values[best] };
    },

    /** Of a publisher of simulcast: whether it sends this size. */
    async setActive(name, rid, active) {
      const { peer } = connections.get(name);
      const sender = peer.getSenders().find(({ track }) => track?.kind === 'video');
      const parameters = sender.getParameters();
      for (const encoding of parameters.encodings) if (encoding.rid === rid) encoding.active = active;
      await sender.setParameters(parameters);
    },

    /** PATCH of the resource; the body of a new start of ICE is made of a new offer. */
    async restart(name) {
      const { peer, resource } = connections.get(name);
      peer.restartIce();
      await peer.setLocalDescription();
      const lines = peer.localDescription.sdp.split('\r\n');
      const find = (start) => lines.find((line) => line.startsWith(start));
      const fragment = [
        find('a=ice-ufrag:'),
        find('a=ice-pwd:'),
        find('m='),
        find('a=mid:'),
        'a=end-of-candidates',
        '',
      ].join('\r\n');
      const response = await fetch(resource, {
        method: 'PATCH',
        headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
        body: fragment,
      });
      const body = await response.text();
      if (response.status === 200) {
        const ours = body.split('\r\n');
        const ufrag = ours.find((line) => line.startsWith('a=ice-ufrag:'));
        const password = ours.find((line) => line.startsWith('a=ice-pwd:'));
        const sdp = peer.remoteDescription.sdp
          .replace(/a=ice-ufrag:.*/g, ufrag)
          .replace(/a=ice-pwd:.*/g, password);
        await peer.setRemoteDescription({ type: 'answer', sdp });
      }
      return { status: response.status, body, etag: response.headers.get('etag') };
    },

    /** Names of connections that were not ended. */
    open() {
      return [...connections.keys()];
    },

    /** Ends it as a well-behaved client: DELETE. Resolves with the status. */
    async end(name) {
      const { peer, resource, stream, video, context } = connections.get(name);
      connections.delete(name);
      const status = resource === '' ? 0 : (await fetch(resource, { method: 'DELETE' })).status;
      peer.close();
      context?.close();
      for (const track of stream.getTracks()) track.stop();
      video.remove();
      return status;
    },
  };
})();
