/** Names of what is sent in requests and answers. */

export const SDP_TYPE = 'application/sdp';
export const JSON_TYPE = 'application/json';
/** RFC 8840 section 9. */
export const FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag';
