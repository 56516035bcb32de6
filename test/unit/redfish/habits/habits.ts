import { CHANGE_HABITS } from './changeHabits.ts';
import { DATA_HABITS } from './dataHabits.ts';
import { LOGIN_HABITS } from './loginHabits.ts';
import type { Habit } from './rawBmc.ts';
import { WIRE_HABITS } from './wireHabits.ts';

/** All habits that are played, by what they concern. */
export const HABITS: readonly Habit[] = [...WIRE_HABITS, ...DATA_HABITS, ...LOGIN_HABITS, ...CHANGE_HABITS];
