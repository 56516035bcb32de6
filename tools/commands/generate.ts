import { generate } from '../../crds/generate.ts';
import { generateDocs } from '../../docs/generate.ts';
import { generateMonitoringFiles } from '../monitoring/files.ts';
import { generateChartFiles } from '../release/chartFiles.ts';

await generate();
await generateDocs();
await generateMonitoringFiles();
await generateChartFiles();
