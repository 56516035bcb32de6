/** Vite takes style sheets as imports; TypeScript needs to be told. */
declare module '*.css';
