/** The product's version; the build replaces it by the one of package.json. */
declare const SLUICE_VERSION: string | undefined;

export const VERSION: string = typeof SLUICE_VERSION === 'undefined' ? '0.1.0' : SLUICE_VERSION;
