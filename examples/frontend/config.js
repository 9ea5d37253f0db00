// The address of your Video Studio, without a slash at the end.
export const STUDIO_URL = 'http://localhost:8000';
