// Browsers give camera and microphone to secure pages only: where this page is to be had over HTTPS. Pure.

/** The address of the same page over HTTPS, '' when this server has none. `here` is a Location or URL. */
export function secureAddress(here, server) {
  const listed = server?.publish.find(({ type }) => type === 'https-whip');
  if (listed === undefined) return '';
  const address = new URL(here.href);
  address.protocol = 'https:';
  const { hostname, port } = new URL(listed.url);
  // With a router in between, both may differ from what this browser was given.
  address.hostname = hostname;
  address.port = port;
  return address.href;
}
