'use strict';
// A program that takes seconds to boot, as big ones do.
setTimeout(() => require('./plain.js'), Number(process.env.BOOT_MS));
