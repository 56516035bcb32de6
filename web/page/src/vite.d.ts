/** Vite imports style sheets; TypeScript needs a declaration. */
declare module '*.css';
