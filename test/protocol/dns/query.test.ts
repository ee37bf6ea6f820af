import packet from 'dns-packet';
import { describe, expect, test } from 'vitest';
import { parseName } from '../../../functions/protocol/dns/name.ts';
import { encodeQuery, receiveResponse } from '../../../functions/protocol/dns/query.ts';
import { A, chars, MX, message, name, type Octets, opt, record, response } from './wire.ts';

describe('queries', () => {
  test('octet by octet: RD, one question, an OPT record of 1,232 octets', () => {
    expect([...encodeQuery({ id: 0xbeef, name: parseName('Example.com'), type: MX })]).toEqual([
      ...[0xbe, 0xef, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1],
      ...[7, ...chars('Example'), 3, ...chars('com'), 0, 0, 15, 0, 1],
      ...[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0],
    ]);
  });

  test('RFC 6840 §5.9: DO and CD where signatures are wanted, and nothing else differs', () => {
    const fields = { id: 1, name: parseName('example.com'), type: MX };
    const [plain, dnssec] = [encodeQuery(fields), encodeQuery({ ...fields, dnssec: true })];
    const differing = [...dnssec].flatMap((octet, at) =>
      octet === plain[at] ? [] : [[at, octet]],
    );
    expect(differing).toEqual([
      [3, 0x10],
      [dnssec.length - 4, 0x80],
    ]);
    expect(packet.decode(Buffer.from(dnssec))).toMatchObject({
      flag_rd: true,
      flag_cd: true,
      flag_ad: false,
      additionals: [{ type: 'OPT', flag_do: true, udpPayloadSize: 1232 }],
    });
  });

  test.each([
    ['example.com', 'MX', 15],
    ['_mta-sts.example.com', 'TXT', 16],
    ['mail.example.com', 'AAAA', 28],
  ] as const)('dns-packet reads %s %s', (text, type, number) => {
    const octets = encodeQuery({ id: 7, name: parseName(text), type: number });
    expect(packet.decode(Buffer.from(octets))).toMatchObject({
      type: 'query',
      id: 7,
      flag_rd: true,
      questions: [{ name: text, type, class: 'IN' }],
      additionals: [{ type: 'OPT', udpPayloadSize: 1232, flag_do: false }],
    });
  });

  test('a dot within a label stays within it', () => {
    const octets = encodeQuery({ id: 0, name: parseName('a\\046b'), type: A });
    expect([...octets.subarray(12, 17)]).toEqual([3, 97, 46, 98, 0]);
  });
});

describe('what octets are to a query', () => {
  const query = encodeQuery({ id: 0x1234, name: parseName('example.com'), type: A });
  const answers = [record({ type: A, rdata: [192, 0, 2, 1] })];
  const question: Octets = [...name('example.com'), 0, 1, 0, 1];
  const head = (...octets: Octets): Uint8Array => Uint8Array.from([0x12, 0x34, ...octets]);

  test.each<readonly [string, Uint8Array]>([
    ['an answer', message({ answers })],
    ['an answer with EDNS', message({ answers, additionals: [opt()] })],
    ['NXDOMAIN', message({ flags: 0x8183 })],
    ['SERVFAIL', message({ flags: 0x8182 })],
    ['an answer without recursion', message({ flags: 0x8500, answers })],
  ])('%s is a response', (_, octets) => {
    expect(receiveResponse(query, octets)).toMatchObject({ kind: 'response' });
  });

  test.each<readonly [string, Uint8Array]>([
    ['an answer that did not fit', message({ flags: 0x8380 })],
    ['one with part of the records', message({ flags: 0x8380, answers })],
    ['one cut within a record', message({ flags: 0x8380, answers }).slice(0, -3)],
    ['one cut behind its question', message({ flags: 0x8380, counts: [1, 9, 9, 9] })],
  ])('%s is truncated', (_, octets) => {
    expect(receiveResponse(query, octets)).toEqual({ kind: 'truncated' });
  });

  test.each<readonly [string, Uint8Array]>([
    ['another id', message({ id: 0x1235, answers })],
    ['the id the other way round', message({ id: 0x3412, answers })],
    ['the query itself', query],
    ['another opcode', message({ flags: response | 0x2000, answers })],
    ['another name', message({ question: 'example.org', answers })],
    ['a longer name', message({ question: 'a.example.com', answers })],
    ['the name in another case', message({ question: 'Example.com', answers })],
    ['another type', message({ type: MX, answers })],
    ['another class', head(0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, ...question.slice(0, -1), 3)],
    ['no question', head(0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 0)],
    ['a question that is not counted', message({ counts: [0, 0, 0, 0] })],
    ['two questions', head(0x81, 0x80, 0, 2, 0, 0, 0, 0, 0, 0, ...question, ...question)],
    ['half a question', message({}).slice(0, -1)],
    ['truncation with another id', message({ id: 1, flags: 0x8380 })],
    ['eleven octets', query.slice(0, 11)],
    ['nothing', new Uint8Array(0)],
  ])('%s is foreign', (_, octets) => {
    expect(receiveResponse(query, octets)).toMatchObject({ kind: 'foreign' });
  });

  test.each<readonly [string, Uint8Array]>([
    ['a record cut short', message({ answers }).slice(0, -1)],
    ['an octet too many', Uint8Array.from([...message({ answers }), 0])],
    ['records that are not there', message({ counts: [1, 1, 0, 0] })],
    ['two OPT records', message({ answers, additionals: [opt(), opt()] })],
  ])('the right question with %s is malformed', (_, octets) => {
    expect(receiveResponse(query, octets)).toMatchObject({ kind: 'malformed' });
  });
});
