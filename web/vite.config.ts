import path from 'node:path';
import { defineConfig } from 'vite';

/**
 * The page: `web/page` into `web/dist`. All of it comes from our own listener, as files: the Content-Security-Policy of
 * the server refuses inline scripts and styles, so nothing is inlined and nothing is preloaded by a script of Vite.
 */
export default defineConfig({
  root: path.join(import.meta.dirname, 'page'),
  base: './',
  publicDir: path.join(import.meta.dirname, 'page', 'public'),
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: path.join(import.meta.dirname, 'dist'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
  },
});
