'use strict';
// A program that takes five seconds to boot, as big ones do.
setTimeout(() => require('./plain.js'), 5000);
