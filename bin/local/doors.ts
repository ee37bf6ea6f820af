/**
 * The local ports of function URLs and HTTP APIs.
 *
 * They are taken before anything else is known, because templates refer to their addresses.
 */
import { createServer } from 'node:http';
import type { ReportEvent } from './events.ts';
import { type Listening, listenOnLoopback } from './loopback.ts';
import { type HttpAnswer, type HttpRequest, jsonAnswer, listenerOf } from './payload.ts';
import type { Stack } from './template.ts';

/** What answers at a door. */
export type Answerer = (request: HttpRequest) => Promise<HttpAnswer>;

/** All doors, by the key of their resource. */
export interface Doors {
  /** `host:port`. */
  authority(key: string): string;
  /** Lets requests through to what answers; before that they get 503. */
  open(key: string, answerer: Answerer): void;
  /** Asks what is behind a door without a connection; undefined if there is no such door. */
  call(authority: string, request: HttpRequest): Promise<HttpAnswer> | undefined;
  close(): Promise<void>;
}

/** Reports whether resources of a type are called over HTTP at an address of their own. */
export function hasDoor(type: string): boolean {
  return type === 'AWS::Lambda::Url' || type === 'AWS::ApiGatewayV2::Api';
}

interface Door {
  readonly key: string;
  readonly listening: Listening;
  answerer: Answerer;
}

/** Takes a free port of 127.0.0.1 for each function URL and HTTP API of the stacks. */
export async function takeDoors(stacks: readonly Stack[], report: ReportEvent): Promise<Doors> {
  const keys = stacks.flatMap(({ name, template }) =>
    Object.entries(template.Resources)
      .filter(([, { Type }]) => hasDoor(Type))
      .map(([logicalId]) => `${name}/${logicalId}`),
  );
  const doors = await Promise.all(keys.map(async (key) => await takeDoor(key, report)));
  const authorityOf = ({ listening }: Door): string => `${listening.address}:${listening.port}`;
  const door = (key: string): Door => {
    const found = doors.find((candidate) => candidate.key === key);
    if (found === undefined) {
      throw new RangeError(`${key} has no door`);
    }
    return found;
  };
  return {
    authority: (key) => authorityOf(door(key)),
    open: (key, answerer) => {
      door(key).answerer = answerer;
    },
    call: (authority, request) =>
      doors.find((candidate) => authorityOf(candidate) === authority)?.answerer(request),
    close: async () => {
      await Promise.all(doors.map(({ listening }) => listening.close()));
    },
  };
}

async function takeDoor(key: string, report: ReportEvent): Promise<Door> {
  const server = createServer(
    listenerOf(
      async (request) => await door.answerer(request),
      (error) => report({ kind: 'fault', where: key, message: String(error) }),
    ),
  );
  const door: Door = {
    key,
    listening: await listenOnLoopback(server),
    answerer: async () => await Promise.resolve(jsonAnswer(503, '{"message":"Starting"}')),
  };
  return door;
}
