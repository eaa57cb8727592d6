'use strict';
// A new version that is well for a moment.
require('./plain.js');
setTimeout(() => { throw new Error('out of luck'); }, Number(process.env.DIES_AFTER_MS));
