/** Whose signature makes a report one of its submitter. */
import { expect, test } from 'vitest';
import {
  type CheckedSignature,
  judgeSignatures,
} from '../../functions/reporting/judge-signatures.ts';

const signature = (over: Partial<CheckedSignature> = {}): CheckedSignature => ({
  domain: 'org.example',
  outcome: 'valid',
  detail: 'pass',
  coversBody: true,
  ...over,
});
const submitter = 'org.example';

test.each([
  ["the submitter's own", [signature()], submitter, 'verified'],
  ['of the domain above it', [signature()], 'mail.org.example', 'verified'],
  [
    'behind another that is not',
    [signature({ outcome: 'invalid' }), signature()],
    submitter,
    'verified',
  ],
  [
    'of a name beneath it, which may be a stranger',
    [signature({ domain: 'x.org.example' })],
    submitter,
    'unverified',
  ],
  [
    'of a name beneath it, and From shows that it is of one organization',
    [signature({ domain: 'x.org.example', authorDomain: 'org.example' })],
    submitter,
    'verified',
  ],
  [
    'of the author, who is not the submitter',
    [signature({ domain: 'x.evil.example', authorDomain: 'evil.example' })],
    submitter,
    'unverified',
  ],
  ['of a whole top-level domain', [signature({ domain: 'example' })], submitter, 'unverified'],
  ['of a name that ends alike', [signature({ domain: 'g.example' })], submitter, 'unverified'],
  ['of somebody else', [signature({ domain: 'evil.example' })], submitter, 'unverified'],
  ['over a part of the body (l=)', [signature({ coversBody: false })], submitter, 'unverified'],
  [
    'that is false',
    [signature({ outcome: 'invalid', detail: 'bad signature' })],
    submitter,
    'unverified',
  ],
  ['none', [], submitter, 'unverified'],
  ['whose key DNS does not say', [signature({ outcome: 'unknown' })], submitter, 'unknown'],
  [
    'of somebody else whose key DNS does not say',
    [signature({ outcome: 'unknown', domain: 'evil.example' })],
    submitter,
    'unverified',
  ],
] as const)('a signature %s', (_what, signatures, whose, kind) => {
  expect(judgeSignatures(signatures, whose).kind).toBe(kind);
});

test('the reason names what was found', () => {
  const bad = signature({ outcome: 'invalid', detail: 'bad signature' });
  expect(judgeSignatures([bad, signature({ domain: 'b.example' })], submitter)).toEqual({
    kind: 'unverified',
    reason:
      'not signed by org.example (RFC 8460 §3): org.example: bad signature; b.example: another domain',
  });
});
