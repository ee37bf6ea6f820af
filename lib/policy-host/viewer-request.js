// CloudFront Function on every viewer request to the policy host (runtime cloudfront-js-2.0).
//
// One distribution answers for many policy domains, and CloudFront's cache knows nothing of the Host field by itself:
// one domain's policy would be served as another's. Host cannot go into the cache key as it is, since the key's fields
// are forwarded and the function URL accepts no other Host than its own. So it is copied; what a client sends under
// that name is overwritten. The revision of all policies makes what edges hold of an older one unreachable at once.
// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it by this name
function handler(event) {
  const request = event.request;
  request.headers['x-sealpost-host'] = { value: request.headers.host.value.toLowerCase() };
  request.headers['x-sealpost-revision'] = { value: 'REVISION' };
  return request;
}
