/** `sealpost collect`: reads what Postfix tells of its TLS sessions, and forwards it for the organization's reports. */
import { randomUUID } from 'node:crypto';
import { createRequestSigner } from '../../functions/adapters/aws/sign-request.ts';
import { processTimers } from '../../functions/delivery/timers.ts';
import { openDatagramSocket } from '../collect/datagram-socket.ts';
import { createForwarder } from '../collect/forward-results.ts';
import { createResultPoster } from '../collect/post-results.ts';
import { exUnavailable } from './exit-status.ts';
import { printable } from './format-table.ts';
import {
  type Command,
  CommandFailure,
  parseArguments,
  takePositionals,
  UsageError,
} from './usage.ts';

const usage = `usage: sealpost collect --socket PATH --url URL

Reads what Postfix 3.10 and later tells of its TLS sessions (smtp_tlsrpt_enable = yes, and smtp_tlsrpt_socket_name for
PATH, both seen from Postfix's chroot), and forwards it to the installation, whose daily reports (RFC 8460) then count
those sessions too. Runs until it is told to end (SIGTERM, SIGINT), and forwards what it has first. Needs perl.

  --socket PATH              the socket to listen on; what a predecessor left is replaced
  --mode MODE                who may write to it, in octal digits (0660)
  --url URL                  the API, as the output ApiUrl of the stack SealpostApi names it
  --region REGION            where that is (default: as the AWS command line has it)
  --profile NAME             whose credentials sign the requests (default: the same); all that they need to be allowed is
                             execute-api:Invoke on POST /v1/tlsrpt/results

Status: 0 told to end; 64 wrong usage; 69 the socket cannot be had.
`;

const options = {
  socket: { type: 'string' },
  mode: { type: 'string' },
  url: { type: 'string' },
  region: { type: 'string' },
  profile: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** Linux: a longer path does not fit into a socket's address. */
const pathBytesMax = 107;

/** Runs the command; resolves to its exit status. */
export const runCollect: Command = async (args) => {
  const { values, positionals } = parseArguments(args, options);
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  takePositionals(positionals);
  const { mode = '0660', region, profile } = values;
  const path = readPath(values.socket);
  const url = readUrl(values.url);
  if (!/^0?[0-7]{3}$/.test(mode)) {
    throw new UsageError('--mode takes octal digits, as in 0660');
  }
  // The clients read the environment when they are made.
  Object.assign(process.env, {
    ...(region !== undefined && { AWS_REGION: region }),
    ...(profile !== undefined && { AWS_PROFILE: profile }),
  });
  const forwarder = createForwarder({
    post: createResultPoster(url, createRequestSigner('execute-api')),
    now: Date.now,
    newId: randomUUID,
    timers: processTimers,
    log: (line) => process.stderr.write(`sealpost collect: ${printable(line)}\n`),
  });
  const socket = await open(path, mode, forwarder.add);
  process.once('SIGTERM', socket.close);
  process.once('SIGINT', socket.close);
  process.stderr.write(`sealpost collect: listening on ${printable(path)}\n`);
  try {
    await socket.ended;
  } catch (error) {
    throw new CommandFailure((error as Error).message, exUnavailable);
  } finally {
    await forwarder.finish();
  }
  return 0;
};

async function open(
  path: string,
  mode: string,
  receive: (datagram: Buffer) => void,
): ReturnType<typeof openDatagramSocket> {
  try {
    return await openDatagramSocket({ path, mode, receive });
  } catch (error) {
    throw new CommandFailure((error as Error).message, exUnavailable);
  }
}

function readPath(path: string | undefined): string {
  if (path === undefined || path === '' || Buffer.byteLength(path) > pathBytesMax) {
    throw new UsageError(`--socket takes a path of ${pathBytesMax} octets at most`);
  }
  return path;
}

/** In the clear only to this machine, where the local cloud is. */
function readUrl(text: string | undefined): URL {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url?.protocol === 'http:' && /^(?:127(?:\.\d+){3}|localhost)$/.test(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || isLocal)) {
    throw new UsageError('--url takes the https: URL of the API');
  }
  return url;
}
