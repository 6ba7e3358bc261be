/** Tests that need the native engine: skipped by name where it cannot be had. */
import test from 'ava';
import { EngineError, engine } from '../../src/index.js';

async function torchWorks(): Promise<boolean> {
  try {
    await engine.use('torch');
    return true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    await engine.use('wasm');
    return false;
  }
}

/** Whether the torch engine runs here; it is then the engine of this test file. */
export const hasTorch = await torchWorks();

/** `test.serial`, or its `skip` without the torch engine. */
export const torchTest = (hasTorch ? test.serial : test.serial.skip) as typeof test.serial;
