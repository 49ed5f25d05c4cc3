/** What the machine, or the lack of a network, does to a build. */
import { certain, likely } from './pattern.ts';

export const MACHINES = [
  certain('disk-full', /No space left on device|Disk quota exceeded/),
  certain(
    'memory',
    /(?:virtual memory exhausted|Cannot allocate memory|out of memory allocating|terminate called after throwing an instance of 'std::bad_alloc'|java\.lang\.OutOfMemoryError|\bMemoryError\b|JavaScript heap out of memory)/,
  ),
  certain('memory', /^(?:\S+: )?(?:fatal error: )?Killed signal terminated program \w+/),
  certain(
    'network',
    /(?:Could not resolve host|Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|Could not resolve proxy|dial tcp: lookup .* on )/,
  ),
  likely('network', /(?:Network is unreachable|Connection refused)\b/),
  likely(
    'crash',
    /(?:Segmentation fault|Bus error|Illegal instruction|Aborted|Floating point exception)(?: \(core dumped\))?$/,
  ),
  likely('crash', /^Killed$/),
];
