/** A TCP port of a simulated host that can be taken down and put up again, with all of its connections. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A port that may be up or down. */
export interface Listener {
  readonly address: string;
  readonly port: number;
  /** Starts to listen; nothing happens where it does already. Rejects with EADDRINUSE where the port is taken. */
  up(): Promise<void>;
  /** Refuses connections from now on, and resets those there are. */
  down(): Promise<void>;
}

/** Makes a listener that is down. Port 0 takes a free one at each `up`; `port` says which. */
export function createListener(
  serve: (socket: Socket) => void,
  place: { readonly address: string; readonly port: number },
): Listener {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {
      // A peer that resets its connection is an ordinary end of it, seen as 'close'.
    });
    serve(socket);
  });
  return {
    address: place.address,
    get port() {
      return portOf(server) ?? place.port;
    },
    async up() {
      if (!server.listening) {
        server.listen(place.port, place.address);
        await once(server, 'listening');
      }
    },
    async down() {
      for (const socket of sockets) {
        socket.destroy();
      }
      if (server.listening) {
        server.close();
        await once(server, 'close');
      }
    },
  };
}

function portOf(server: Server): number | undefined {
  const bound = server.address();
  return bound === null || typeof bound === 'string' ? undefined : bound.port;
}
