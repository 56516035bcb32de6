import { render } from 'preact';
import { App } from './App.tsx';
import { applyStoredTheme } from './theme.ts';
import './styles/theme.css';
import './styles/base.css';
import './styles/fleet.css';
import './styles/report.css';
import './styles/machine.css';
import './styles/charts.css';

applyStoredTheme();
const root = document.getElementById('app');
if (root) render(<App />, root);
