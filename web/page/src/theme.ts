import { useState } from 'preact/hooks';

/** What the person chose; `system` follows the browser. */
export type Theme = 'system' | 'light' | 'dark';
const KEY = 'beskar7-theme';
const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

/** Puts the stored choice onto the page; called before the first drawing, so that nothing flashes. */
export function applyStoredTheme(): void {
  apply(stored());
}

/** The choice, and the step to the next one. */
export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState<Theme>(stored);
  const next = () => {
    const chosen = NEXT[theme];
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // A browser that stores nothing keeps the choice as long as the page is open.
    }
    apply(chosen);
    setTheme(chosen);
  };
  return [theme, next];
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
