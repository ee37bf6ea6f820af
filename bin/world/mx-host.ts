/**
 * An MX host of the simulated internet: a port, a name, a behaviour that may change at any time, and a record of all that
 * came. It is no mail server: it takes mail to be looked at.
 */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { Certificates } from './certificates.ts';
import { createListener } from './listener.ts';
import type { MxBehaviour, StepBehaviour } from './mx-behaviour.ts';
import { converse } from './mx-dialogue.ts';
import { acceptedMessages, type MxConnection, type MxTransaction } from './mx-record.ts';
import { createSession, type MxHostFacts } from './mx-session.ts';

/** A running host. */
export interface MxHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** The latest connections, oldest first. */
  readonly connections: readonly MxConnection[];
  /** The messages that it took, oldest first. */
  readonly messages: readonly MxTransaction[];
  /** Changes some of its behaviour, from the next step of any session on. */
  behave(changes: Partial<MxBehaviour>): Promise<void>;
  /** Forgets its connections; those that are open go on unseen. */
  forget(): void;
  stop(): Promise<void>;
}

/** A host to be started; port 0 takes a free one. */
export interface MxHostOptions {
  readonly name: string;
  readonly behaviour: MxBehaviour;
  readonly address: string;
  readonly port: number;
  readonly certificates: Certificates;
}

/** Connections kept; a world may run for days. */
const connectionsMax = 1_000;

/** Starts a host; rejects with EADDRINUSE where its port is taken. */
export async function startMxHost(options: MxHostOptions): Promise<MxHost> {
  const { name, address, port, certificates } = options;
  let behaviour = options.behaviour;
  const connections: MxConnection[] = [];
  const used = new Map<string, number>();
  const contexts = createContexts(name, certificates);
  const facts: MxHostFacts = {
    name,
    behaviour: () => behaviour,
    takeStep: (key, step) => countUse(used, key, step),
    secureContext: () => contexts(behaviour),
  };
  const listener = createListener(
    (socket) => {
      const session = createSession(facts, socket);
      connections.push(session.record);
      connections.splice(0, connections.length - connectionsMax);
      void converse(session);
    },
    { address, port },
  );
  const follow = async (): Promise<void> => {
    // Made ahead, so that no certificate is issued while a client waits for its handshake.
    await contexts(behaviour);
    await (behaviour.state === 'down' ? listener.down() : listener.up());
  };
  await follow();
  return {
    name,
    address,
    get port() {
      return listener.port;
    },
    connections,
    get messages() {
      return acceptedMessages(connections);
    },
    behave(changes) {
      behaviour = { ...behaviour, ...changes };
      used.clear();
      return follow();
    },
    forget() {
      connections.length = 0;
    },
    stop: () => listener.down(),
  };
}

function countUse(
  used: Map<string, number>,
  key: string,
  step: StepBehaviour | undefined,
): StepBehaviour | undefined {
  if (step?.times === undefined) {
    return step;
  }
  const count = (used.get(key) ?? 0) + 1;
  used.set(key, count);
  return count > step.times ? undefined : step;
}

/** One SecureContext a behaviour, so that a client's tickets are good at its next connection. */
function createContexts(
  name: string,
  certificates: Certificates,
): (behaviour: MxBehaviour) => Promise<SecureContext> {
  const made = new Map<string, Promise<SecureContext>>();
  return ({ tls = {} }) => {
    const id = JSON.stringify(tls);
    const context = made.get(id) ?? makeContext(tls.certificateName ?? name, certificates, tls);
    made.set(id, context);
    return context;
  };
}

async function makeContext(
  name: string,
  certificates: Certificates,
  tls: NonNullable<MxBehaviour['tls']>,
): Promise<SecureContext> {
  const { certificate = 'valid', versionMin = 'TLSv1.2', versionMax = 'TLSv1.3' } = tls;
  const credential = await certificates.credential(certificate, name);
  const settings: SecureContextOptions = {
    ...credential,
    minVersion: versionMin,
    maxVersion: versionMax,
  };
  // OpenSSL 3 has TLS below 1.2, whose handshakes are signed with SHA-1, at security level 0 alone.
  const old = versionMin === 'TLSv1' || versionMin === 'TLSv1.1';
  return createSecureContext(old ? { ...settings, ciphers: 'DEFAULT:@SECLEVEL=0' } : settings);
}
