/** What scenarios of signed zones have in common. */
import type { CertificateKind } from '../certificates.ts';
import type { MxBehaviour } from '../mx-behaviour.ts';
import { deferred, type ExpectationOutline, type TlsaOutline } from '../scenario-outline.ts';
import type { WorldRecord } from '../world-zones.ts';

export const selfSigned: MxBehaviour = { tls: { certificate: 'self-signed' } };

/** The usual record: the host's key, whatever its certificate says. */
export const ofKey: TlsaOutline = [3, 1, 1];

/** A record that no certificate of the host matches. */
export const ofStranger: TlsaOutline = [3, 1, 1, 'stranger'];

export const overTls: ExpectationOutline = { mx: { mx1: { channel: 'tls' } }, resultTypes: [] };

export const mismatch: ExpectationOutline = {
  to: { user: deferred('4.7.5') },
  codes: ['dane-mismatch'],
  resultTypes: ['validation-failure'],
};

export function certificate(kind: CertificateKind): MxBehaviour {
  return { tls: { certificate: kind } };
}

export function mxRecord(domain: string, exchange: string): WorldRecord {
  return { name: domain, type: 'MX', preference: 10, exchange };
}
