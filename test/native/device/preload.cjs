/** Loads the simulated device's operators into a Node process before anything else asks for libtorch. */
const { constants } = require('node:os');

try {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  process.dlopen({ exports: {} }, process.env.SIMULATED_OPERATORS, RTLD_NOW | RTLD_GLOBAL);
} catch (error) {
  if (!/self-register/.test(error.message)) throw error; // it is a library, no addon
}
