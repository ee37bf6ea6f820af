import { testControlStore } from './control-store-contract.ts';
import { createMemoryControls } from './memory-controls.ts';

testControlStore(async () => createMemoryControls());
