/** For whoever fills in what others only read. */
export type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };
