export type { InspectionReport } from '../../../shared/api.ts';
