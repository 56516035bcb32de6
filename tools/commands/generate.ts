import { generate } from '../../crds/generate.ts';
import { generateDocs } from '../../docs/generate.ts';

await generate();
await generateDocs();
