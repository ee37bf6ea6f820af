import { expect, test } from 'vitest';
import { type LoadedConfig, readConfig } from '../../bin/config/load.ts';
import { toStacksProps } from '../../bin/config/stacks-props.ts';

const key = {
  domain: 'example.com',
  selector: 's2026',
  secretArn: 'arn:aws:secretsmanager:eu-west-1:111122223333:secret:dkim-AbCdEf',
};

function read(reports: unknown, dkimKeys: readonly unknown[] = [key]): LoadedConfig {
  const config = {
    organization: 'Example Ltd',
    domains: [],
    delivery: { ehloName: 'out.example.com', dkimKeys },
    egress: { kind: 'nat' },
    ...(reports !== undefined && { reports }),
  };
  return readConfig(JSON.stringify(config), 'test.json', 0);
}

const other = { ...key, domain: 'example.net' };

test('a contact and a key of its domain are enough', () => {
  const { config, warnings } = read({ contact: 'tls-reports@Example.com' }, [other, key]);
  expect(warnings).toEqual([]);
  expect(toStacksProps(config)).toMatchObject({
    reports: {
      settings: {
        organizationName: 'Example Ltd',
        contactInfo: 'tls-reports@example.com',
        onlyFailures: false,
        destinations: [],
      },
      dkimKeys: [key],
    },
    recording: {},
  });
});

test('everything that can be said goes through', () => {
  const { config } = read(
    {
      organization: 'Example Mail',
      contact: 'tls@xn--bcher-kva.Example',
      onlyFailures: true,
      destinations: [
        { from: 'mailto:a@example.net', to: 'https://reports.example.net/in' },
        { from: 'mailto:b@example.net' },
      ],
      sendingAddress: '2001:db8::25',
    },
    [{ ...key, domain: 'bücher.example' }],
  );
  expect(toStacksProps(config).reports).toMatchObject({
    settings: {
      organizationName: 'Example Mail',
      contactInfo: 'tls@xn--bcher-kva.example',
      onlyFailures: true,
      destinations: [
        { from: 'mailto:a@example.net', to: 'https://reports.example.net/in' },
        { from: 'mailto:b@example.net' },
      ],
    },
  });
  expect(toStacksProps(config).recording).toEqual({ sendingMtaIp: '2001:db8::25' });
});

test.each<[unknown, readonly unknown[], string]>([
  [undefined, [key], 'no contact'],
  [{ contact: 'tls@example.com' }, [], 'no key'],
  [{ contact: 'tls@example.com' }, [other], 'a key of another domain'],
  [{ contact: 'tls@sub.example.com' }, [key], 'a key of a domain above, which is another d='],
])('with reports %j they are off: %s %s', (reports, keys, _reason) => {
  const { config, warnings } = read(reports, keys);
  expect(toStacksProps(config).reports).toBeUndefined();
  expect(toStacksProps(config).recording).toBeUndefined();
  expect(warnings).toEqual(
    reports === undefined
      ? []
      : [expect.stringMatching(/TLS reports stay off, since delivery\.dkimKeys has no key of /)],
  );
});

test.each<[object, RegExp, string]>([
  [{ contact: 'me@localhost' }, /reports\.contact/, 'no domain that mail goes to'],
  [
    { destinations: [{ from: 'a@example.net' }] },
    /destinations\[0\]\.from.*neither mailto: nor https:.*Use a URI like/,
    'no URI',
  ],
  [
    { destinations: [{ from: 'mailto:a@example.net', to: 'http://example.net' }] },
    /destinations\[0\]\.to/,
    'plain HTTP',
  ],
  [{ sendingAddress: 'out.example.com' }, /sendingAddress.*not an IP address/, 'a name'],
  [{ onlyfailures: true }, /reports\.onlyfailures: no such setting/, 'what there is not'],
])('reports with %j are refused, naming %s: %s', (sections, line, _reason) => {
  expect(() => read({ contact: 'tls@example.com', ...sections })).toThrow(line);
});
