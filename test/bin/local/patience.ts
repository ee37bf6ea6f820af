/** How long processes have for what they are about to do: enough on a machine that is busy with something else. */
export const patience = { timeout: 20_000 } as const;
