/** A state in words, with a dot in its colour. */
export function State({ state }: { readonly state: string }) {
  return (
    <span class="state">
      <span class="dot" data-tone={state} />
      {state}
    </span>
  );
}

/** The same as a badge, for the head of a page. */
export function StateBadge({ state }: { readonly state: string }) {
  return (
    <span class="badge">
      <span class="dot" data-tone={state} />
      {state}
    </span>
  );
}
