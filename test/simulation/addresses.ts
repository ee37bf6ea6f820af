/** Addresses of a world. */

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1);
}
