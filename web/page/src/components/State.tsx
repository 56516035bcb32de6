interface StateProps {
  readonly state: string;
  /** A condition that needs a person whatever the state: the dot has the colour of a failure. */
  readonly alarm?: string | undefined;
  readonly isDeleting?: boolean | undefined;
}

/** A state in words, with a dot in its colour. */
export function State({ state, alarm, isDeleting = false }: StateProps) {
  return (
    <span class="state" data-alarm={alarm} title={alarm}>
      <span class="dot" data-tone={alarm === undefined ? state : 'Failed'} />
      {isDeleting ? 'Deleting' : state}
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
