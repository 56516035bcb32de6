import { generate } from '../../crds/generate.ts';

await generate();
