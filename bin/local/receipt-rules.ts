/**
 * Mail that comes in: what SES does with it by a receipt rule. `Custom::ReceiptRule` declares one; on AWS a function of the
 * stack puts it into the active rule set, here it is in force as declared.
 */
import { randomBytes } from 'node:crypto';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { readProperties } from './properties.ts';
import type { Deployment } from './resource.ts';

/** Whose mail goes into which bucket. */
export interface ReceiptRule {
  readonly mailbox: string;
  readonly bucket: string;
  readonly prefix: string;
}

/** Where a received mail lies. */
export interface ReceivedMail {
  readonly bucket: string;
  readonly key: string;
}

const ruleSchema = z.looseObject({
  mailbox: z.string(),
  bucket: z.string(),
  prefix: z.string(),
});

/**
 * Reads the receipt rules of a deployment.
 *
 * @throws LocalCloudError for one that does not say what goes where
 */
export function receiptRules({ resources }: Deployment): readonly ReceiptRule[] {
  return resources
    .filter(({ type }) => type === 'Custom::ReceiptRule')
    .map((resource) => readProperties(resource, ruleSchema));
}

/**
 * Puts a mail into the bucket of the rule that takes the mailbox, byte for byte, under the rule's prefix and an id.
 *
 * @throws RangeError where no rule takes the mailbox
 */
export async function receiveMail(
  rules: readonly ReceiptRule[],
  s3: S3Client,
  { mailbox, raw }: { readonly mailbox: string; readonly raw: Uint8Array },
): Promise<ReceivedMail> {
  const rule = rules.find((one) => one.mailbox.toLowerCase() === mailbox.toLowerCase());
  if (rule === undefined) {
    const taken = rules.map((one) => one.mailbox).join(', ') || 'none';
    throw new RangeError(`no receipt rule takes mail to ${mailbox}, only to ${taken}`);
  }
  const key = `${rule.prefix}${randomBytes(20).toString('hex')}`;
  await s3.send(new PutObjectCommand({ Bucket: rule.bucket, Key: key, Body: raw }));
  return { bucket: rule.bucket, key };
}
