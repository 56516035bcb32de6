import { useEffect, useState } from 'preact/hooks';

const QUERY = '(width <= 760px)';

/** Whether lists have two lines for each row; the same width is in `styles/fleet.css`. */
export function useIsNarrow(): boolean {
  const [isNarrow, setNarrow] = useState(() => matchMedia(QUERY).matches);
  useEffect(() => {
    const query = matchMedia(QUERY);
    const follow = () => setNarrow(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return isNarrow;
}
