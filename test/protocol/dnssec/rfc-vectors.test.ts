import { describe, expect, test } from 'vitest';
import { encodeSignedAnswer, type WireRecord } from '../../../bin/world/dnssec-answers.ts';
import { concat, encodeName, u16, u32 } from '../../../bin/world/dnssec-wire.ts';
import { decodeMessage } from '../../../functions/protocol/dns/message.ts';
import { formatName, parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery } from '../../../functions/protocol/dns/query.ts';
import { decodeRdata } from '../../../functions/protocol/dns/record-data.ts';
import {
  sha1Algorithms,
  signatureAlgorithms,
} from '../../../functions/protocol/dnssec/algorithms.ts';
import { digestKey } from '../../../functions/protocol/dnssec/delegation.ts';
import { keyTagOf, toZoneKey } from '../../../functions/protocol/dnssec/keys.ts';
import { hashNsec3Name } from '../../../functions/protocol/dnssec/nsec3.ts';
import {
  collectProof,
  proveAbsence,
  proveExpansion,
} from '../../../functions/protocol/dnssec/proof.ts';
import { findOwners, findRrSet } from '../../../functions/protocol/dnssec/rrset.ts';
import { type Signer, verifyRrSet } from '../../../functions/protocol/dnssec/signature.ts';
import {
  defaultValidationLimits,
  startWork,
  type ValidationTerms,
} from '../../../functions/protocol/dnssec/work.ts';
import {
  decodeBase32Hex,
  parseResponses,
  parseTime,
  parseZoneText,
  readVector,
} from '../../vectors/zone-text.ts';

const algorithms = new Map([...signatureAlgorithms, ...sha1Algorithms]);
const DNSKEY = 48;
const RRSIG = 46;

const termsAt = (time: string): ValidationTerms => ({
  nowSeconds: parseTime(time),
  algorithms,
  limits: defaultValidationLimits,
  work: startWork(),
});

/** All of a zone's keys, believed as they stand. */
function signerOf(apex: string, records: readonly WireRecord[]): Signer {
  const keys = records.filter(({ type }) => type === DNSKEY);
  return {
    apex: parseName(apex),
    keys: keys.flatMap(({ rdata }) => toZoneKey(rdata, algorithms) ?? []),
  };
}

const asMessage = (answers: readonly WireRecord[], authorities: readonly WireRecord[] = []) => {
  const query = encodeQuery({ id: 0, name: parseName('example'), type: 1 });
  return decodeMessage(encodeSignedAnswer(query, { rcode: 0, answers, authorities }));
};

describe('signatures of single records', () => {
  test.each([
    ['RFC 5702 §6.1: RSA/SHA-256', 'rfc5702-signatures.txt', 8, '20100101000000'],
    ['RFC 5702 §6.2: RSA/SHA-512', 'rfc5702-signatures.txt', 10, '20100101000000'],
    ['RFC 6605 §6.1: P-256', 'rfc6605-signatures.txt', 13, '20100901000000'],
    ['RFC 6605 §6.2: P-384', 'rfc6605-signatures.txt', 14, '20100901000000'],
  ])('%s', (_, file, algorithm, time) => {
    const records = parseZoneText(readVector(file));
    const ofAlgorithm = records.filter(
      ({ type, rdata }) =>
        (type !== DNSKEY || rdata[3] === algorithm) && (type !== RRSIG || rdata[2] === algorithm),
    );
    const signer = signerOf(formatName(parseName(records[0]?.name ?? '')), ofAlgorithm);
    const signed = ofAlgorithm.filter(({ type }) => type === 1 || type === 15);
    const signatures = ofAlgorithm.filter(({ type }) => type === RRSIG);
    expect(signatures.length).toBeGreaterThan(0);
    for (const signature of signatures) {
      const message = asMessage([...signed, signature]);
      const [first] = signed;
      const set = findRrSet(message, 'answers', {
        name: parseName(signature.name),
        type: first?.type ?? 0,
      });
      expect(set && verifyRrSet(set, signer, termsAt(time))).toMatchObject({ verified: true });
      const forged = Uint8Array.from(signature.rdata);
      forged[40] = (forged[40] ?? 0) ^ 1;
      const bad = findRrSet(asMessage([...signed, { ...signature, rdata: forged }]), 'answers', {
        name: parseName(signature.name),
        type: first?.type ?? 0,
      });
      expect(bad && verifyRrSet(bad, signer, termsAt(time))).toMatchObject({ verified: false });
    }
  });

  test.each([
    ['RFC 8080 §6.1: Ed25519', 15],
    ['RFC 8080 §6.2: Ed448', 16],
  ])('%s', (_, algorithm) => {
    const records = parseZoneText(readVector('rfc8080-signatures.txt'));
    const of = (type: number, at: number): readonly WireRecord[] =>
      records.filter((record) => record.type === type && record.rdata[at] === algorithm);
    const [mx] = records.filter(({ type }) => type === 15);
    const keys = of(DNSKEY, 3);
    expect(keys).toHaveLength(2);
    for (const [index, signature] of of(RRSIG, 2).entries()) {
      const behindSigner = 18 + encodeName('example.com').length;
      const record = [u16(15), u16(1), u32(3600), u16(mx?.rdata.length ?? 0)];
      const data = concat(
        signature.rdata.subarray(0, behindSigner),
        encodeName('example.com'),
        ...record,
        mx?.rdata ?? u16(0),
      );
      const verifier = algorithms
        .get(algorithm)
        ?.createVerifier(keys[index]?.rdata.subarray(4) ?? data);
      expect(verifier?.(data, signature.rdata.subarray(behindSigner))).toBe(true);
      data[0] = 1;
      expect(verifier?.(data, signature.rdata.subarray(behindSigner))).toBe(false);
      // The RFC signed a label count of 3 for a name with 2, which no validator may take.
      const name = parseName('example.com');
      const set = findRrSet(asMessage([...(mx ? [mx] : []), signature]), 'answers', {
        name,
        type: 15,
      });
      const verdict =
        set && verifyRrSet(set, signerOf('example.com', keys), termsAt('20150801000000'));
      expect(verdict).toMatchObject({
        verified: false,
        reason: { text: expect.stringMatching(/3 labels/) },
      });
    }
  });

  test.each([
    ['RFC 4034 §5.4', 'rfc4034-ds.txt', 1],
    ['RFC 6605 §6', 'rfc6605-signatures.txt', 2],
    ['RFC 8080 §6', 'rfc8080-signatures.txt', 4],
  ])('%s: DS records are of their keys', (_, file, count) => {
    const records = parseZoneText(readVector(file));
    const keys = records.filter(({ type }) => type === DNSKEY);
    const ds = records.filter(({ type }) => type === 43);
    expect(ds).toHaveLength(count);
    for (const [index, { name, rdata }] of ds.entries()) {
      const { keyTag, digestType, digest } = decodeRdata(rdata, 'DS');
      const key = keys[index]?.rdata ?? rdata;
      expect(keyTagOf(key)).toBe(keyTag);
      expect(Buffer.from(digestKey(parseName(name), key, digestType) ?? [])).toEqual(
        Buffer.from(digest),
      );
    }
  });
});

describe.each([
  ['RFC 4035 Appendix A', 'rfc4035-zone.txt', '20040501000000', 26],
  ['RFC 5155 Appendix A', 'rfc5155-zone.txt', '20100101000000', 30],
])('%s', (_, file, time, signed) => {
  const records = parseZoneText(readVector(file));
  const message = asMessage(records);
  const signer = signerOf('example', records);

  test("every RRset that has a signature is the zone's", () => {
    const types = new Set(records.map(({ type }) => type).filter((type) => type !== RRSIG));
    const sets = [...types].flatMap((type) =>
      findOwners(message.answers, type, 100).flatMap(
        (name) => findRrSet(message, 'answers', { name, type }) ?? [],
      ),
    );
    const withSignature = sets.filter(({ signatures }) => signatures.length > 0);
    for (const set of withSignature) {
      expect(verifyRrSet(set, signer, termsAt(time))).toMatchObject({ verified: true });
      const later = { ...set, rdatas: [...set.rdatas, Uint8Array.of(1, 2, 3)] };
      expect(verifyRrSet(later, signer, termsAt(time))).toMatchObject({ verified: false });
    }
    expect(withSignature).toHaveLength(signed);
  });
});

test('RFC 5155 Appendix A: hashes', () => {
  const text = readVector('rfc5155-zone.txt').replace(/\n; +=/g, ' =');
  const salt = Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd);
  const hashes = [...text.matchAll(/^; H\((\S+)\)\s+= (\S+)/gm)];
  expect(hashes).toHaveLength(12);
  for (const [, name = '', hash = ''] of hashes) {
    const parameters = { hashAlgorithm: 1, flags: 0, iterations: 12, salt };
    expect(Buffer.from(hashNsec3Name(parseName(name), parameters))).toEqual(
      Buffer.from(decodeBase32Hex(hash)),
    );
  }
});

describe.each([
  ['RFC 4035', 'rfc4035', '20040501000000'],
  ['RFC 5155', 'rfc5155', '20100101000000'],
])('%s Appendix B', (_, file, time) => {
  const zone = parseZoneText(readVector(`${file}-zone.txt`));
  const signer = signerOf('example', zone);
  // RFC 5155 §9.2: its examples are from an opt-out zone, which leaves open what is in a gap.
  const gap = file === 'rfc4035' ? undefined : 'insecure';
  const absence: Readonly<Record<string, string>> = {
    'B.1 Name Error': gap ?? 'nxdomain',
    'B.2 Name Error': 'nxdomain',
    'B.2 No Data Error': 'nodata',
    'B.2.1 No Data Error, Empty Non-Terminal': 'nodata',
    'B.3 No Data Error': 'nodata',
    'B.5 Wildcard No Data Error': gap ?? 'nodata',
    'B.7 Wildcard No Data Error': 'nodata',
    // What the child says of its DS is not an answer (RFC 4035 §5.2).
    'B.6 DS Child Zone No Data Error': 'unproven',
    'B.8 DS Child Zone No Data Error': 'unproven',
  };
  const responses = parseResponses(readVector(`${file}-responses.txt`));

  test.each(responses.filter(({ title }) => title in absence))(
    '$title',
    ({ title, question, answer }) => {
      const proof = collectProof(
        asMessage(answer.answers, answer.authorities),
        signer,
        termsAt(time),
      );
      const name = parseName(question.name);
      expect(proof.refusal).toBeUndefined();
      const denial = proveAbsence(proof, { name, type: question.type }, termsAt(time));
      expect(denial.kind).toBe(absence[title]);
      if (denial.kind === 'insecure') {
        expect(denial.nameError).toBe(answer.rcode === 3);
      }
      // Not of anything else: neither another type that is there, nor the apex.
      expect(
        proveAbsence(proof, { name: parseName('ns1.example'), type: 1 }, termsAt(time)).kind,
      ).toBe('unproven');
      expect(proveAbsence(proof, { name: parseName('example'), type: 2 }, termsAt(time)).kind).toBe(
        'unproven',
      );
    },
  );

  test.each(responses.filter(({ title }) => /Wildcard Expansion/.test(title)))(
    '$title',
    ({ question, answer }) => {
      const message = asMessage(answer.answers, answer.authorities);
      const name = parseName(question.name);
      const set = findRrSet(message, 'answers', { name, type: question.type });
      const verdict = set && verifyRrSet(set, signer, termsAt(time));
      if (verdict?.verified !== true || verdict.closestEncloser === undefined) {
        throw new TypeError('not a wildcard expansion');
      }
      expect(formatName(verdict.closestEncloser)).toBe('w.example');
      const expansion = { name, type: question.type, encloser: verdict.closestEncloser };
      const proof = collectProof(message, signer, termsAt(time));
      const without = collectProof(asMessage(answer.answers), signer, termsAt(time));
      // RFC 5155 §9.2: its example is from an opt-out zone.
      const kind = file === 'rfc4035' ? 'proven' : 'insecure';
      expect(proveExpansion(proof, expansion, termsAt(time)).kind).toBe(kind);
      expect(proveExpansion(without, expansion, termsAt(time)).kind).toBe('unproven');
    },
  );

  test.each(responses.filter(({ title }) => /Referral/.test(title)))(
    '$title',
    ({ title, answer }) => {
      const message = asMessage([], answer.authorities);
      const delegated = parseName(answer.authorities[0]?.name ?? '');
      const ds = findRrSet(message, 'authorities', { name: delegated, type: 43 });
      if (/Signed/.test(title)) {
        expect(ds && verifyRrSet(ds, signer, termsAt(time))).toMatchObject({ verified: true });
        return;
      }
      const proof = collectProof(message, signer, termsAt(time));
      const kind = file === 'rfc4035' ? 'nodata' : 'insecure';
      expect(proveAbsence(proof, { name: delegated, type: 43 }, termsAt(time)).kind).toBe(kind);
      // RFC 6840 §4.1: and it says nothing of what is at or below the delegation.
      if (gap === undefined) {
        const below = parseName(`www.${formatName(delegated)}`);
        for (const name of [delegated, below]) {
          expect(proveAbsence(proof, { name, type: 1 }, termsAt(time)).kind).toBe('unproven');
        }
      }
    },
  );
});
