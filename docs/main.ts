import { generateDocs } from './generate.ts';

/** `node docs/main.ts`, part of `npm run generate`. */
await generateDocs();
