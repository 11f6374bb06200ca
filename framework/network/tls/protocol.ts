/** What peers agree on when they choose TLS for a connection (libp2p specs, tls/tls.md). Apart, because it loads nothing. */
export const TLS_PROTOCOL = '/tls/1.0.0'
