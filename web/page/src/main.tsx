import { render } from 'preact';
import './styles/base.css';

const root = document.getElementById('app');
if (root) render(<main>Beskar7</main>, root);
