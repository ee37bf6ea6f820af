/** Settings as an operator's config leaves them by default, with two connections to a host. */

import { waitsMinutesDefault } from '../functions/delivery/retry-schedule.ts';
import type { DeliverySettings } from '../functions/environment.ts';

export const deliverySettings: DeliverySettings = {
  ehloName: 'mail.sender.example',
  requireTls: true,
  mtaSts: true,
  mtaStsCache: true,
  dane: true,
  daneInsecureMx: true,
  daneOnly: [],
  keepAddressTag: false,
  exceptions: [],
  connectionsPerMxMax: 2,
  expiryDays: 5,
  retryWaitsMinutes: waitsMinutesDefault,
  delayNoticeHours: 4,
  historyDays: 30,
  bounceFrom: 'MAILER-DAEMON@mail.sender.example',
  redactBounces: false,
  rules: [],
  dkimKeys: [],
};
