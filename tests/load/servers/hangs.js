'use strict';
// A new version that takes connections and answers nobody.
require('node:net').createServer(() => {}).listen(process.env.PORT);
