/** Multiaddrs that peers can use: which transports there are, and what an address must say. */

const TCP = "/ip4/192.0.2.7/tcp/4001";

/** Transports that libp2p has and peers of a run do not. */
const OTHER_TRANSPORTS: Readonly<Record<string, string>> = {
  udp: "UDP",
  quic: "QUIC",
  "quic-v1": "QUIC",
  webtransport: "WebTransport",
  webrtc: "WebRTC",
  "webrtc-direct": "WebRTC",
  "p2p-circuit": "a relay",
  onion: "Tor",
  onion3: "Tor",
};

const HOSTS = ["ip4", "ip6", "dns", "dns4", "dns6"];
/** Addresses within a machine, or a process. */
const LOCAL = ["unix", "memory"];
const LAST_PORT = 65_535;
/** What may follow the port: nothing, or WebSockets, with TLS or without. */
const AFTER_PORT = /^(\/(ws|wss|tls(\/sni\/[^/]+)?\/ws))?(\/p2p\/[^/]+)?\/?$/;

/** What a peer cannot do with an address, and what to write; undefined where it can use it. */
export function problemWithAddress(address: string): string | undefined {
  const [, protocol = "", host = "", transport, port = ""] = address.split("/");
  const protocols = address.split("/");
  if (LOCAL.includes(protocol)) return undefined;
  if (protocol === "ip6zone" || host.includes("%")) {
    return "it has a zone of one machine; write an address that holds on all of them";
  }
  const other = protocols.filter((name) => name in OTHER_TRANSPORTS).at(-1);
  if (other !== undefined) {
    return `peers do not speak ${OTHER_TRANSPORTS[other]}; use TCP, as in ${TCP}, or WebSockets, as in ${TCP}/ws`;
  }
  if (!HOSTS.includes(protocol)) return `it begins with none of ${[...HOSTS, ...LOCAL].join(", ")}`;
  if (protocol === "ip4" && !isIp4(host))
    return `${host} is no IPv4 address; write four numbers to 255, or dns4`;
  if (protocol === "ip6" && !/^[0-9a-f]*:[0-9a-f:.]*$/i.test(host)) return `${host} is no IPv6 address`;
  if (transport !== "tcp" || port === "") return "it has no port; append one, as in /tcp/4001";
  if (!/^\d+$/.test(port) || Number(port) > LAST_PORT) return `port ${port} is not from 1 to ${LAST_PORT}`;
  if (Number(port) === 0)
    return `port 0 is any that is free, which no neighbour knows; choose from 1 to ${LAST_PORT}`;
  const rest = address.slice(["", protocol, host, transport, port].join("/").length);
  return AFTER_PORT.test(rest) ? undefined : `${rest} after the port is unknown; leave it out, or write /ws`;
}

function isIp4(text: string): boolean {
  const numbers = text.split(".");
  return numbers.length === 4 && numbers.every((each) => /^\d{1,3}$/.test(each) && Number(each) <= 255);
}

/** Host and port of an address, wherever it leads on from there; the whole of one within a machine. */
export function placeOf(address: string): { readonly host: string; readonly port: string } {
  const [, protocol = "", host = "", , port = ""] = address.split("/");
  return LOCAL.includes(protocol) ? { host: address, port: "" } : { host, port };
}

/** Addresses that stand for all of a machine's. */
const WILDCARDS = ["0.0.0.0", "::"];

/** Whether two sockets of one machine would want the same port. */
export function collide(a: string, b: string): boolean {
  const [one, other] = [placeOf(a), placeOf(b)];
  if (one.port !== other.port) return false;
  return (
    one.host === other.host || (one.port !== "" && [one, other].some(({ host }) => WILDCARDS.includes(host)))
  );
}
