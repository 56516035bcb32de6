/** `T` where a property that may be undefined is absent instead. */
export type Defined<T extends object> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/**
 * A copy without the properties that are undefined, for optional properties: `{ name, ...defined({ url, folder }) }`.
 * JSON and server-side apply distinguish an absent property from an empty one, and so do the types
 * (exactOptionalPropertyTypes). Null, false, 0 and '' stay.
 */
export function defined<T extends object>(properties: T): Defined<T> {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as Defined<T>;
}
