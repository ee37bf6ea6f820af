import { createMemoryPolicyStore } from '../../functions/policy/memory-store.ts';
import { testPolicyStore } from './policy-store-contract.ts';

testPolicyStore(async () => createMemoryPolicyStore());
