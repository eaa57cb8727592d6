'use strict';
// A new version that was never tried.
throw new Error('DATABASE_URL is not set');
