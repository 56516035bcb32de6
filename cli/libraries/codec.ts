// Loaded by a dynamic import of this file, by those who have the keys.
export { EncryptionCodec } from '../../codec/encryption.ts';
export { KeyRing } from '../../codec/keys.ts';
