import * as React from 'react';

/** Seconds since the epoch, again each second while `ticks`. */
export function useNow(ticks: boolean): number {
  const [now, setNow] = React.useState(() => Date.now() / 1000);
  React.useEffect(() => {
    if (!ticks) {
      return;
    }
    const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, [ticks]);
  return now;
}
